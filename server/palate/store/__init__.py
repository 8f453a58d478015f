"""The feedback log and the profiles, kept in one database."""
