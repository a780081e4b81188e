"""Hard attention on digits: what is seen, how it is trained, how it is judged, what the oracle says, figures."""
