"""The program, put together: the modules of `api` that know `infrastructure`."""
