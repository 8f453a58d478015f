"""The public contract over gRPC: convert, call, convert back."""
