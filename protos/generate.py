"""Generate the Python code of the public contract into server/palate/v1.

Run `make proto` after a change in protos/palate/v1. The generator is pinned (see pyproject.toml): what it
writes runs on every protobuf runtime from 6.31.1 to 7.x.
"""

import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

PROTOS = Path(__file__).resolve().parent
OUT = PROTOS.parent / "server"


def generate(out: Path = OUT) -> None:
    """Write the message, service and type-stub modules of every .proto file below `out`."""
    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.glob("palate/**/*.proto"))
    include = files("grpc_tools").joinpath("_proto")
    status = protoc.main(
        [
            "protoc",
            f"--proto_path={PROTOS}",
            f"--proto_path={include}",
            f"--python_out={out}",
            f"--grpc_python_out={out}",
            f"--mypy_out={out}",
            f"--mypy_grpc_out={out}",
            *sources,
        ]
    )
    if status != 0:
        sys.exit(f"protoc failed with status {status}")


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
