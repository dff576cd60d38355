"""``python -m recog``, which ``torchrun -m recog`` needs."""

from recog.cli import main

if __name__ == "__main__":
    main()
