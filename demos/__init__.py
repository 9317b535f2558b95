"""What the system does, shown: scale to zero, scale by load, rollout. They speak HTTP, and kubectl on a cluster."""
