"""Generate the Python code of the public contract into server/palate/v1.

Run `make proto` after a change in protos/palate/v1; `make check` compares with ``--check``. The generator is
pinned (see pyproject.toml): what it writes runs on every protobuf runtime from 6.31.1 to 7.x.
"""

import filecmp
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

PROTOS = Path(__file__).resolve().parent
OUT = PROTOS.parent / "server"
PACKAGE = Path("palate/v1")


def generate(out: Path) -> None:
    """Write the message, service and type-stub modules of every .proto file below `out`."""
    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.glob(f"{PACKAGE}/*.proto"))
    outputs = [f"--{kind}_out={out}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    scripts = Path(sys.executable).parent  # of this environment, whether or not it is activated
    plugins = [f"--plugin={name}={scripts / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")]
    include = files("grpc_tools").joinpath("_proto")
    status = protoc.main(["protoc", f"--proto_path={PROTOS}", f"--proto_path={include}", *plugins, *outputs, *sources])
    if status != 0:
        sys.exit(f"protoc failed with status {status}")


def stale() -> list[str]:
    """Return the generated files that differ from what the contract gives now, are missing or left over."""
    with tempfile.TemporaryDirectory() as fresh:
        generate(Path(fresh))
        names = {path.name for folder in (Path(fresh), OUT) for path in (folder / PACKAGE).glob("*_pb2*.py*")}
        _, different, missing = filecmp.cmpfiles(Path(fresh) / PACKAGE, OUT / PACKAGE, names, shallow=False)
    return sorted(different + missing)


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        if wrong := stale():
            sys.exit(f"not as the contract gives them; run `make proto`: {', '.join(wrong)}")
    else:
        generate(OUT)
