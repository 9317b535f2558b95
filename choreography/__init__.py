"""Choreographed sagas on Knative: what functions need that talk only through CloudEvents."""
