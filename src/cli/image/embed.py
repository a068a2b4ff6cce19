#!/usr/bin/env python3
"""Prints C that holds files, so that the program has with it what it puts into an image.

    embed.py FILE...
"""

import pathlib
import sys

print('#include "cli/image/image.h"\n')
names = []
for number, path in enumerate(map(pathlib.Path, sys.argv[1:])):
    print(f"static const unsigned char bytes_{number}[] = {{")
    content = path.read_bytes()
    for start in range(0, len(content), 20):
        print("    " + " ".join(f"{byte}," for byte in content[start:start + 20]))
    print("};\n")
    names.append(path.name)
print("const struct pv_image_file pv_image_files[] = {")
for number, name in enumerate(names):
    print(f'    {{"{name}", bytes_{number}, sizeof(bytes_{number})}},')
print(f"}};\nconst size_t pv_image_file_count = {len(names)};")
