"""Catalogs: importing them from tables, synthesising them, describing them."""
