"""Study "question": all four defences on the same data, with the same attacks, each beside a twin without the defence."""
