"""The operator's command line: `airline ...`. It speaks HTTP with the gateway, and knows nothing else."""
