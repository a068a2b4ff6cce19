/* The report: lines for people, and what to do next in the words of this system. */

#include "doctor.h"

#include <pearvisor/version.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LABEL_WIDTH = 18, TEXT_COLUMN = 8 + LABEL_WIDTH, LINE_WIDTH = 100 };

static const char *const marks[] = {
    [PV_MARK_OK] = "[ok]",
    [PV_MARK_NOTE] = "[--]",
    [PV_MARK_WARN] = "[!!]",
};
static const char *const mark_names[] = {
    [PV_MARK_OK] = "ok",
    [PV_MARK_NOTE] = "note",
    [PV_MARK_WARN] = "warning",
};

static struct pv_finding *last(const struct pv_doctor *doctor)
{
    return &doctor->findings[doctor->finding_count - 1];
}

void pv_doctor_say(struct pv_doctor *doctor, enum pv_mark mark, const char *topic,
                   const char *label, const char *format, ...)
{
    if (doctor->finding_count >= PV_FINDINGS_MAX) {
        return;
    }
    struct pv_finding *finding = &doctor->findings[doctor->finding_count++];
    *finding = (struct pv_finding){.mark = mark, .topic = topic};
    snprintf(finding->label, sizeof(finding->label), "%s", label);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(finding->text, sizeof(finding->text), format, arguments);
    va_end(arguments);
}

void pv_doctor_next(struct pv_doctor *doctor, const char *format, ...)
{
    if (doctor->finding_count == 0) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(last(doctor)->next, sizeof(last(doctor)->next), format, arguments);
    va_end(arguments);
}

/* What the parts are called, and how they are installed. */
static const struct {
    const char *install;
    const char *packages[3]; /* by enum pv_package */
} shops[] = {
    [PV_DISTRIBUTION_UNKNOWN] = {NULL,
                                 {"the Vulkan loader (libvulkan.so.1)",
                                  "Mesa's Venus driver (libvulkan_virtio.so; the package is often "
                                  "called mesa-vulkan-drivers or vulkan-virtio)",
                                  "a Vulkan driver (Mesa's lavapipe needs no GPU)"}},
    [PV_DISTRIBUTION_DEBIAN] = {"sudo apt install",
                                {"libvulkan1", "mesa-vulkan-drivers", "mesa-vulkan-drivers"}},
    [PV_DISTRIBUTION_UBUNTU] = {"sudo apt install",
                                {"libvulkan1", "mesa-vulkan-drivers", "mesa-vulkan-drivers"}},
    [PV_DISTRIBUTION_FEDORA] = {"sudo dnf install",
                                {"vulkan-loader", "mesa-vulkan-drivers", "mesa-vulkan-drivers"}},
    [PV_DISTRIBUTION_ARCH] = {"sudo pacman -S",
                              {"vulkan-icd-loader", "vulkan-virtio", "vulkan-swrast"}},
};

void pv_doctor_next_package(struct pv_doctor *doctor, enum pv_package package)
{
    const char *install = shops[doctor->distribution].install;
    const char *name = shops[doctor->distribution].packages[package];
    if (install == NULL) {
        pv_doctor_next(doctor, "install %s", name);
    } else if (package == PV_PACKAGE_VENUS && strcmp(doctor->release, "bookworm") == 0) {
        pv_doctor_next(doctor,
                       "enable bookworm-backports (Debian 12's own Mesa has no Venus driver), then "
                       "sudo apt install -t bookworm-backports %s",
                       name);
    } else {
        pv_doctor_next(doctor, "%s %s", install, name);
    }
}

/* Words, broken so that they stay in their column. The cursor is in `column` at first. */
static void print_wrapped(const char *text, int column)
{
    int at = column;
    while (*text != '\0') {
        int length = (int)strcspn(text, " ");
        if (at > column && at + 1 + length > LINE_WIDTH) {
            printf("\n%*s", column, "");
            at = column;
        } else if (at > column) {
            putchar(' ');
            at++;
        }
        printf("%.*s", length, text);
        at += length;
        text += length;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void print_finding(const struct pv_finding *finding)
{
    if (finding->topic != NULL || finding->mark == PV_MARK_WARN) {
        printf("  %s  ", marks[finding->mark]);
    } else {
        printf("%*s", 8, "");
    }
    int width = printf("%-*s", LABEL_WIDTH - 1, finding->label);
    putchar(' ');
    print_wrapped(finding->text, width + 1 + 8);
    if (finding->next[0] != '\0') {
        int column = TEXT_COLUMN + printf("%*snext: ", TEXT_COLUMN, "") - TEXT_COLUMN;
        print_wrapped(finding->next, column);
    }
}

static void print_json(const struct pv_doctor *doctor)
{
    cJSON *list = cJSON_AddArrayToObject(doctor->json, "findings");
    const char *topic = "";
    for (size_t i = 0; i < doctor->finding_count; i++) {
        const struct pv_finding *finding = &doctor->findings[i];
        topic = finding->topic != NULL ? finding->topic : topic;
        cJSON *entry = cJSON_CreateObject();
        cJSON_AddStringToObject(entry, "topic", topic);
        cJSON_AddStringToObject(entry, "mark", mark_names[finding->mark]);
        cJSON_AddStringToObject(entry, "label", finding->label);
        cJSON_AddStringToObject(entry, "text", finding->text);
        if (finding->next[0] != '\0') {
            cJSON_AddStringToObject(entry, "next", finding->next);
        }
        cJSON_AddItemToArray(list, entry);
    }
    cJSON_AddBoolToObject(doctor->json, "passed", doctor->passed);
    char *text = cJSON_Print(doctor->json);
    if (text != NULL) {
        puts(text);
        cJSON_free(text);
    }
}

void pv_doctor_print(const struct pv_doctor *doctor)
{
    if (doctor->options.json) {
        print_json(doctor);
        return;
    }
    const char *topic = "";
    size_t warnings = 0;
    for (size_t i = 0; i < doctor->finding_count; i++) {
        const struct pv_finding *finding = &doctor->findings[i];
        if (finding->topic != NULL && strcmp(topic, finding->topic) != 0) {
            topic = finding->topic;
            printf("%s%s\n", i != 0 ? "\n" : "", topic);
        }
        print_finding(finding);
        warnings += finding->mark == PV_MARK_WARN ? 1 : 0;
    }
    printf("\n%s", doctor->passed ? "PearVisor works here" : "PearVisor does not work here yet");
    if (warnings != 0) {
        printf("; %zu thing%s marked [!!]", warnings, warnings == 1 ? " is" : "s are");
    }
    puts(".");
}
