"""The generated code of the public contract; `make proto` writes it."""
