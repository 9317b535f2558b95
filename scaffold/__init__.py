"""What you would otherwise have to write by hand: lists that follow from knative/base, and new policies."""
