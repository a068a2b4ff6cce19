#include "bench.h"
#include "measure.h"

bool bench_compute(struct bench *bench)
{
    struct bench_samples samples;
    struct demo_compute_result result = {0};
    bool done = true;
    bench_samples_start(&samples, bench);
    while (done && bench_samples_want(&samples)) {
        done = demo_measure_compute(&bench->vk, 1, &result) && result.is_correct;
        if (done) {
            const double seconds = (double)result.elements / result.elements_per_second;
            bench_samples_add(&samples, (uint64_t)(seconds * 1e9));
        }
    }
    if (done) {
        bench_report_rate("compute.elements", &samples, (double)result.elements, "elements/s",
                          "2^20 integers hashed 32 times each, 8 dispatches submitted and waited "
                          "for a round, every result checked");
    }
    bench_samples_finish(&samples);
    return done;
}
