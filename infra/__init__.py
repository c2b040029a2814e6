"""A region's cluster, stores, keys and borders as one Pulumi program, and what it takes to plan one without a cloud."""
