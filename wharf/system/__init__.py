"""What the operating system gives, made safe: files, folders of one owner, a clock that counts sleep, words for a full disk."""
