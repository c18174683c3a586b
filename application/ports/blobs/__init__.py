"""Blobs: bytes beside the log, by their SHA-256, whose they are, and which sessions name them.

Each app stores the same bytes once. A blob belongs to an app and a user, as a session does: only
they may read it, and for anybody else it does not exist, even for those who have the same bytes.

    upload = await store.begin(owner.app)         pieces of any size, one after the other
    await store.add(upload, 0, b"...")
    await store.keep(upload, owner, digest, ...)  from here on `owner` has it
    await store.name(session_id, owner, [name])   from here on it stays as long as the session

`application/use_cases/blobs.py` does this for whoever has a stream of bytes. A command whose parts
name blobs has them named by the command handler; whoever keeps them for something else, such as the
artifacts of another framework, names them for its session by `name`. What no session names is freed
a day after it was sent.
"""
