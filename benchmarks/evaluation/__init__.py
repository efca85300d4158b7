"""What `vosrt eval` does: run clips through streams, score and write results, sum up."""
