"""The words of this airline: its events, its ids, its settings. The kit they are used with is `choreography`."""
