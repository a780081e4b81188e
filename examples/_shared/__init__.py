"""What the applications share: the command, the choice of estimators, data, networks, training, figures, records."""
