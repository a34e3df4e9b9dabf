"""Small programs that use Aftercare from outside."""
