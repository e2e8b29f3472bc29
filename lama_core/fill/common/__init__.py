"""What the painters of a hole share: progress, filters, scales, the search for patches."""
