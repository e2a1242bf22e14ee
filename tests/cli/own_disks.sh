# For scripts that mount file systems of their own: runs them anew where they see those alone, with SIGNET_MOUNTS set.
# Goes on without it where the system does not let us.
if [[ -z ${SIGNET_MOUNTS:-} ]]; then
    for how in -m -rm; do
        unshare $how mount -t tmpfs -o size=64k tmpfs /mnt 2>/dev/null && SIGNET_MOUNTS=yes exec unshare $how bash "$0"
    done
fi
