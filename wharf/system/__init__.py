"""What the operating system gives, made safe: regular files, folders of one owner, a clock that counts sleep, words for a full disk."""
