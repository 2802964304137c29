"""Which disks may stand still: those that another machine or another program serves."""

from functools import cache

from procrun.system.linux import procfs

LOCAL = frozenset({"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "nilfs2", "reiserfs", "xfs", "zfs"}) | {
    *("tmpfs", "ramfs", "rootfs", "overlay"),
    *("erofs", "exfat", "iso9660", "msdos", "ntfs3", "squashfs", "ubifs", "udf", "vfat"),
}
"""File systems that the kernel serves from a device or from memory (/proc/filesystems, filesystems(5))."""


@cache
def may_stand_still(folder: str) -> bool:
    """Whether a look into `folder` may take for ever: it is on NFS, sshfs, a virtual machine's share.

    It is found out once, at the start: once the disk stands still, nothing can be.
    """
    return procfs.file_system(folder) not in LOCAL
