"""Study "question": all four defences on one task, with the same attacks, each beside a twin without the defence."""
