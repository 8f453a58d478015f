"""Pictures of one listener: what palate knows of them, what it shows them, and what its models make of both."""
