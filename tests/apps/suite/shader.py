#!/usr/bin/env python3
"""Compiles a shader into a C header: shader.py GLSLANG SHADER HEADER.

half.vert becomes "static const uint32_t half_vert[]"; glslang's own array would clash where two
files use one shader.
"""

import pathlib
import subprocess
import sys

glslang, shader, header = sys.argv[1:]
name = pathlib.Path(shader).name.replace(".", "_")
subprocess.run([glslang, "-V", "--quiet", "--target-env", "vulkan1.2", "--vn", name, "-o", header,
                shader], check=True)
made = pathlib.Path(header)
made.write_text(made.read_text(encoding="utf-8").replace("const uint32_t", "static const uint32_t"),
                encoding="utf-8")
