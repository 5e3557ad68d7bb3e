"""What every study uses: files, errors, devices, the one training loop, runs, results, resuming."""
