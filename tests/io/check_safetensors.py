"""usage: check_safetensors.py OURS THEIRS: reads OURS, prints it, and writes the same as THEIRS by
the reference implementation. Exit code 77 if that is not installed."""
import sys

try:
    import numpy
    from safetensors import safe_open
    from safetensors.numpy import save_file
except ImportError as error:
    print(error)
    sys.exit(77)

with safe_open(sys.argv[1], framework="numpy") as file:
    tensors = {name: file.get_tensor(name) for name in file.keys()}
    metadata = file.metadata()
for name, tensor in sorted(tensors.items()):
    print(name, tensor.dtype, tensor.shape, float(numpy.sum(tensor)))
print(metadata)
save_file(tensors, sys.argv[2], metadata=metadata)
