"""How to install what a command needs beyond the server."""

__all__ = ["installing"]


def installing(extra: str) -> str:
    """Say how to install an extra: ``"pip install 'palate[train]', or in a clone …"``."""
    return f"pip install 'palate[{extra}]', or in a clone pip install -e '.[{extra}]'"
