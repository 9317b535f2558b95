"""What others build on, made from the code: python -m contracts writes it, python -m contracts --check compares."""
