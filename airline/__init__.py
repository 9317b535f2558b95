"""The kit that every function shares. It knows events and Knative, and no function."""
