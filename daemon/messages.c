/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The words. Each says what is the case, what follows from it, and what to do.
 */
#include "messages.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <syslog.h>

/* clang-format off */
const struct message_form message_forms[] = {
        { FINDING_ROOT_NOT_MOUNTED, LOG_WARNING, "root-not-mounted",
          "0c3b332d395b54f6835e7a8533fd9654",
          "{root} is no mount point: nothing is mirrored. Is bootsyncd's bind "
          "step missing, or was {root} unmounted? 'bootsyncd bind' makes it" },
        { FINDING_ROOT_AUTOFS, LOG_ERR, "root-autofs",
          "ee8898240d375cdb8b55cba374ea6bc3",
          "{root} is an automount (systemd-gpt-auto-generator makes one for an "
          "ESP that /etc/fstab does not name): nothing is mirrored. Name the "
          "ESPs in /etc/fstab as {root}@a, {root}@b …, and boot with "
          "systemd.gpt_auto=0 or run 'systemctl mask --now $(systemd-escape -p "
          "--suffix=automount {root})'" },
        { FINDING_ROOT_NO_MEMBER, LOG_ERR, "root-no-member",
          "42e5334dcebb543181c43cb814ebe06e",
          "What is mounted on {root} ({other}) is mounted at no {root}@[a-z] as "
          "well: nothing is mirrored. Mount its partition at {root}@a, or "
          "unmount {root} and let bootsyncd bind it" },
        { FINDING_MEMBERS_SHARE_DEVICE, LOG_ERR, "members-share-device",
          "c7e9f0b804605c4e92603a2e27a3fa60",
          "{root}@{path} and {root}@{other} are one and the same partition: "
          "nothing is mirrored. Correct /etc/fstab" },
        { FINDING_MEMBERS_SHARE_UUID, LOG_ERR, "members-share-uuid",
          "b0f49ce3b1965b6ab2f12f035ba4dfeb",
          "{root}@{path} and {root}@{other} are two partitions with one PARTUUID "
          "(a cloned disk?): nothing is mirrored. Give one of them another with "
          "'sgdisk --partition-guid'" },
        { FINDING_NO_LOADER, LOG_WARNING, "no-loader",
          "e238050ac5df5c33be84c926dc644fa1",
          "{root}/loader is no directory: {root} is not taken for an ESP with "
          "systemd-boot, and nothing is mirrored. 'bootctl install' makes it" },
        { FINDING_NO_MACHINE_ID, LOG_ERR, "no-machine-id",
          "947a019d817f5b33bbbb5708ce7d9501",
          "/etc/machine-id holds no valid machine id: nothing is mirrored. "
          "'systemd-machine-id-setup' makes one" },
        { FINDING_BAD_ENTRY_TOKEN, LOG_ERR, "bad-entry-token",
          "79f0445985ca533ead1dec7f2a12e29f",
          "/etc/kernel/entry-token holds '{other}', which cannot be an entry "
          "token: nothing is mirrored. Correct or remove the file, or set "
          "EntryToken=" },
        { FINDING_NO_MODULES, LOG_WARNING, "no-modules",
          "be015fea1c385b9eabcf3521083a8ff0",
          "/lib/modules holds no kernel version{error}: nothing is mirrored, as "
          "the newest kernel is not known" },
        { FINDING_NEWEST_MISSING, LOG_WARNING, "newest-missing",
          "8ff78f9dfb6c53389e35d4b003dedc5b",
          "{root} does not hold the newest kernel of /lib/modules, {other}: "
          "nothing is mirrored. Is it being installed? 'kernel-install add "
          "{other} /lib/modules/{other}/vmlinuz' puts it there" },
        { FINDING_SOURCE_UNREADABLE, LOG_ERR, "source-unreadable",
          "ce0a0b2ebb9b55f580fc281d13a28ea9",
          "{root}/{path} cannot be read{error}: nothing is removed from the "
          "other ESPs until it can. Check the disk" },
        { FINDING_SOURCE_LOST, LOG_CRIT, "source-lost",
          "31e5a8572a0050168d412c5f1b63a59d",
          "The disk below {root} is gone or fails{error}: nothing is mirrored, "
          "and the other ESPs stay as they are. Replace the disk; the machine "
          "boots from the others" },
        { FINDING_TARGET_MISSING, LOG_WARNING, "target-missing",
          "cf6b6254c7785345a6dba7b8d2e84998",
          "{esp} is not mounted: it is brought up to date as soon as it is. "
          "Check the disk and /etc/fstab" },
        { FINDING_TARGET_WRONG_FS, LOG_ERR, "target-wrong-fs",
          "9baafe9cff5753a7851d2b2ba9463f72",
          "{esp} is {other}, which FileSystems= does not allow: it is left as it "
          "is" },
        { FINDING_TARGET_READ_ONLY, LOG_ERR, "target-read-only",
          "b705070ed4145530ab9df61608936765",
          "{esp} is read-only: it is left as it is. A damaged FAT turns "
          "read-only by itself: unmount it, run 'fsck.vfat -a' on its device, "
          "and mount it again" },
        { FINDING_TARGET_IS_SOURCE, LOG_ERR, "target-is-source",
          "191ed323ae5655ce9845601d19074d84",
          "{esp} is on the partition that is mounted on {root}: it is left as it "
          "is" },
        { FINDING_TARGET_NEWER, LOG_ERR, "target-newer",
          "e9ad2276702c535eafa12c4cc72fcaa9",
          "{esp} holds the kernel {other}, which is newer than {path}, the "
          "newest one here, and did not come from here: it is left as it is. If "
          "that kernel is wanted, boot from that disk; if not, 'bootsyncd sync "
          "--prune' shows what would go, and removes it (stop the daemon first)" },
        { FINDING_TARGET_FULL, LOG_ERR, "target-full",
          "d22812f0bec154668134dff5f026e7ed",
          "{esp} is too full: {number} more bytes are needed. It is left as it "
          "is. Remove what is not needed there, or old kernels here" },
        { FINDING_LAST_ENTRY, LOG_ERR, "last-entry",
          "98188a5523e559c590d7e664ef5e82d1",
          "{esp} would be left without a complete boot entry: nothing is removed "
          "from it" },
        { FINDING_RUNNING_KERNEL, LOG_NOTICE, "running-kernel",
          "0a3668fec0e8546d83e0c72e29da8347",
          "{esp}: {path} belongs to the running kernel and stays, though it is "
          "gone from {root}" },
        { FINDING_EXTRA, LOG_NOTICE, "extra",
          "d99bb09dfa615cc58baa504205636f03",
          "{esp}: {path} is not on {root}, and nobody saw it go: it stays. "
          "'bootsyncd sync --prune' removes it (stop the daemon first)" },
        { FINDING_SOURCE_NOT_BOOTABLE, LOG_WARNING, "source-not-bootable",
          "c9ede23167c35f7497395d6e0963fda3",
          "{root} has no complete boot entry for its newest kernel, {other}: "
          "nothing is removed from the other ESPs until it has" },
        { FINDING_IN_THE_WAY, LOG_ERR, "in-the-way",
          "b7377754d2f65b419c76cdcbf48121d2",
          "{esp}: {path} is a file where {root} has a directory, or the reverse, "
          "and is needed to boot: it stays" },
        { FINDING_ENTRY_INCOMPLETE, LOG_WARNING, "entry-incomplete",
          "7d6121eb85ea5d21b6a565aa0e92feb3",
          "The boot entry {root}/{path} names {other}, which is missing or "
          "empty: it is not mirrored" },
        { FINDING_ENTRY_OUTSIDE, LOG_WARNING, "entry-outside",
          "af8c7f37f3e6577c84fed13cde1cf494",
          "The boot entry {root}/{path} names {other}, which is not mirrored: "
          "neither is the entry. Add {other} to ExtraPaths=" },
        { FINDING_ENTRY_NO_KERNEL, LOG_WARNING, "entry-no-kernel",
          "a18017ad34d4516c95879195442d1b95",
          "The boot entry {root}/{path} is empty or names nothing to start: it "
          "is not mirrored" },
        { FINDING_BAD_NAME, LOG_WARNING, "bad-name",
          "e4e0564196f85f019a5bff952660f2a7",
          "{where}{path} is a name that FAT cannot hold, or differs from another in "
          "case only: it is not mirrored" },
        { FINDING_SPECIAL, LOG_WARNING, "special",
          "9a7bcf0ea41e5ece998f992e34d1e0e6",
          "{where}{path} is no regular file or directory: it is not mirrored" },
        { FINDING_OTHER_MOUNT, LOG_WARNING, "other-mount",
          "5cfa61d100ac59a691c2062cc49bb2c1",
          "{where}{path} has another file system mounted on it: it is not "
          "mirrored" },
        { FINDING_TOO_MUCH, LOG_ERR, "too-much",
          "19246245a2055b5f8f14b4810f9ff95a",
          "{where}{path}: too many files, or too deep: the rest is not mirrored" },
        { FINDING_BUSY, LOG_NOTICE, "busy",
          "3629182915015bcda00265c840502f2b",
          "{root}/{path} is open for writing: it is mirrored when it is closed" },
        { FINDING_CHANGED, LOG_DEBUG, "changed",
          "5a86c51853ad503cad23f73528ba0490",
          "{root}/{path} changed while it was copied to {esp}: it is copied again" },
        { FINDING_DRIFT, LOG_WARNING, "drift",
          "0b41189950be53d6a8ad6069e6fd0ef1",
          "{esp}: {path} was not as it had been mirrored: it is repaired" },
        { FINDING_SOURCE_ERROR, LOG_ERR, "source-error",
          "2bc611e11ce45bc5b8ea12529563ad22",
          "{root}/{path} cannot be read{error}: it is not mirrored, and the "
          "other ESPs keep what they have. Check the disk" },
        { FINDING_TARGET_ERROR, LOG_ERR, "target-error",
          "b1b0ede557de595cbb9431b1f7ce4cf9",
          "{esp}: {path}: {other} failed{error}: it is not up to date. It is "
          "tried again; check the disk" },
        { FINDING_CORRUPT, LOG_ERR, "corrupt",
          "647428ca29f3539bae1e1a89233615b1",
          "{esp}: {path}: what was read back is not what was written: the copy "
          "was thrown away. Check the disk" },
        { MESSAGE_BOUND, LOG_INFO, "bound",
          "cc8e759d525a50b59e912224d4e9dd35",
          "{esp} is bound to {root}: the machine was booted from it ({other})" },
        { MESSAGE_ADOPTED, LOG_INFO, "adopted",
          "8c070b45ae5f5948a1696e9610483f94",
          "{root} is bound to {esp}" },
        { MESSAGE_ADOPTED_OTHER, LOG_WARNING, "adopted-other",
          "5be946db465554209428e7675f53e070",
          "{root} is bound to {esp}, but the machine was booted from the "
          "partition {other}: what is changed on {root} is mirrored from {esp}" },
        { MESSAGE_REBIND, LOG_WARNING, "rebind",
          "ee48407f7f3657d3a8fde26ca0ad1d56",
          "{root} stands on a disk that is gone: it is detached and bound anew" },
        { MESSAGE_BIND_NO_EFI, LOG_ERR, "bind-no-efi",
          "b3ae2e050ff853cc9ad927a12bcb9588",
          "This machine was not booted by UEFI (no /sys/firmware/efi): there is "
          "no booted ESP to bind" },
        { MESSAGE_BIND_NO_UUID, LOG_ERR, "bind-no-uuid",
          "1ecb639974ea5885bb7f249823d80bc9",
          "The booted ESP is not known: {other}. Bind it by hand (mount --bind "
          "{root}@a {root}) and set Bind=no, or boot by systemd-boot" },
        { MESSAGE_BIND_NOT_MOUNTED, LOG_ERR, "bind-not-mounted",
          "6ed66da03a5753909744fd556f5b83cf",
          "The booted ESP, PARTUUID={other}, is mounted at no "
          "{root}@[a-z]{path}. Name it in /etc/fstab" },
        { MESSAGE_BIND_NO_ROOT, LOG_ERR, "bind-no-root",
          "6d272271dc2f50d0be50ed13bf20081f",
          "{root} cannot be used as a mount point{error}: 'mkdir -p {root}' makes it" },
        { MESSAGE_BIND_NO_DIRECTORY, LOG_ERR, "bind-no-directory",
          "87b163dd91324d6eaa88e292dc55a314",
          "{root} is no directory but a link or a file: nothing is bound there. "
          "Remove it and run 'mkdir {root}', or set Root= to what it stands for" },
        { MESSAGE_BIND_NOT_EMPTY, LOG_ERR, "bind-not-empty",
          "ec75a0368029551193abcdbd3552ad8c",
          "{root} is not empty (it holds '{path}'): nothing is bound over it. "
          "Move what it holds to the ESP, and empty it" },
        { MESSAGE_BIND_OFF, LOG_ERR, "bind-off",
          "764a9faa9ded53de82beac969fa0909d",
          "Bind=no, and {root} is not mounted" },
        { MESSAGE_BIND_FAILED, LOG_ERR, "bind-failed",
          "e8667928b7145f11864a1b6161e25e92",
          "{esp} cannot be bound to {root}{error}" },
        { MESSAGE_BIND_NO_PRIVILEGE, LOG_ERR, "bind-no-privilege",
          "726dcc6de45853648dafce9ae03b1b81",
          "{root} is not bound, and this process may not do it: 'bootsyncd bind' "
          "as root does" },
        { MESSAGE_BIND_LOST, LOG_CRIT, "bind-lost",
          "3f5a36f41dd85512b287a298637d4f70",
          "{root} is not bound to the ESP any more that it was bound to: nothing "
          "is written, and the daemon ends to be started afresh" },
        { MESSAGE_LOCKED, LOG_ERR, "locked",
          "d16ccf757a9c5459b6899b806c7ef25c",
          "Another bootsyncd is at work (process {number}). It mirrors by "
          "itself; 'systemctl reload bootsyncd' makes it look at everything now" },
        { MESSAGE_LOCK_FAILED, LOG_ERR, "lock-failed",
          "fcc10c5c1b39548b9b65d3ae36340e50",
          "{path} cannot be locked{error}" },
        { MESSAGE_NO_PERMISSION, LOG_ERR, "no-permission",
          "8a533333416552008015674daee14965",
          "This needs root" },
        { MESSAGE_CONFIG_UNREADABLE, LOG_ERR, "config-unreadable",
          "2505c07459155f10b90fb257a2612e9c",
          "{path} cannot be read{error}. Settings stand in text files of at most "
          "256 KiB that root can read" },
        { MESSAGE_CONFIG_KEPT, LOG_ERR, "config-kept",
          "5e1db88e10785796b24defa10413693f",
          "The configuration is not usable: the settings in force stay" },
        { MESSAGE_CONFIG_REFUSED, LOG_ERR, "config-refused",
          "3798560f4fc254d3ab4a1f42bacbca40",
          "The configuration is not usable: see above" },
        { MESSAGE_CONFIG_ROOT_CHANGED, LOG_WARNING, "config-root-changed",
          "96442956763b538396ddc723b2b950ae",
          "Root= and Bind= take effect at the next start ('systemctl restart "
          "bootsyncd'); all else is in force" },
        { MESSAGE_CONFIG_DIAGNOSTIC_ERROR, LOG_ERR, "config-diagnostic-error",
          "503ae12b0ea656fca9393bcd6e375e53",
          "{path}" },
        { MESSAGE_CONFIG_DIAGNOSTIC_WARNING, LOG_WARNING, "config-diagnostic-warning",
          "4f754f2b2be554af92b6f97b45edcf46",
          "{path}" },
        { MESSAGE_RELOADED, LOG_INFO, "reloaded",
          "3018bba1bb2a57f48db27addfe51259b",
          "The configuration was read again" },
        { MESSAGE_STARTED, LOG_INFO, "started",
          "137b2d7763f65ed8902d3ef65832ca37",
          "{esp} is the source; targets: {other}" },
        { MESSAGE_STOPPING, LOG_DEBUG, "stopping",
          "6a802de16bcb5aaba4f787dc2468b3e8",
          "Stopping" },
        { MESSAGE_MIRRORED, LOG_INFO, "mirrored",
          "31578356cd565bb0b1b4b573fa77792a",
          "{esp}: {other}" },
        { MESSAGE_IN_SYNC, LOG_INFO, "in-sync",
          "3a2f161e36fb5887a8ff1e09a2f01d1f",
          "{esp} is in sync" },
        { MESSAGE_TARGET_BACK, LOG_INFO, "target-back",
          "450e48ac9edf5dfe91a5f2136dae5f5a",
          "{esp} is mounted" },
        { MESSAGE_TARGET_HUNG, LOG_ERR, "target-hung",
          "1c5a4cdd8e0b5cd4ad3ffda473bed879",
          "{esp} does not answer: it is left alone until it does. Check the disk" },
        { MESSAGE_WORKER_DIED, LOG_ERR, "worker-died",
          "abe508c6c0375d96911489124051156d",
          "{esp}: the process that was to bring it up to date ended early "
          "({other}): it is tried again" },
        { MESSAGE_WATCH_LIMIT, LOG_ERR, "watch-limit",
          "fb63a6e61ab35ee58742750a5167338b",
          "{root}/{path} cannot be watched: fs.inotify.max_user_watches is "
          "reached. Raise it; until then changes there are found every "
          "RescanIntervalSec= only" },
        { MESSAGE_WATCH_ERROR, LOG_WARNING, "watch-error",
          "6fbdc7a1002253ec99ec7e4b7262b26f",
          "{root}/{path} cannot be watched{error}: changes there are found every "
          "RescanIntervalSec= only" },
        { MESSAGE_OVERFLOW, LOG_NOTICE, "overflow",
          "576b2371bc905adaa138a34966b048b5",
          "Changes on {root} came faster than the kernel could queue them: "
          "everything is compared" },
        { MESSAGE_STATE_FAILED, LOG_WARNING, "state-failed",
          "93face5d81d6525ea5d85524307df32b",
          "{path} cannot be written{error}: what was mirrored is compared by "
          "content at the next start" },
        { MESSAGE_STATE_BROKEN, LOG_WARNING, "state-broken",
          "b8d5ec23574b5252b55ccd42a1c9e434",
          "{path} is damaged{error}: it is made anew, and its files are compared "
          "by content" },
        { MESSAGE_STOP_PENDING, LOG_WARNING, "stop-pending",
          "bc7a16ddc23a5fe7abbb5c3f8422d041",
          "Stopped before all was mirrored: the next start does the rest" },
        { MESSAGE_FAULT, LOG_ERR, "fault",
          "1da84173790859fa99007c1b4c3f6d76",
          "{path}{error}" },
};
/* clang-format on */

const size_t message_forms_n = ELEMENTSOF(message_forms);

const struct message_form *message_form(int message) {
        for (size_t i = 0; i < message_forms_n; i++)
                if (message_forms[i].message == message)
                        return &message_forms[i];
        return NULL;
}

static int append_text(struct buf *buf, const char *text) {
        return text ? buf_append_escaped(buf, text, strlen(text)) : 0;
}

static int append_error(struct buf *buf, int error) {
        return error ? buf_appendf(buf, ": %s", strerror(error < 0 ? -error : error)) : 0;
}

static int append_word(struct buf *buf, const char *word, size_t size,
                       const struct message_args *args) {
        const char *names[] = { "root", "esp", "path", "other" };
        const char *values[] = { args->root, args->esp, args->path, args->other };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strlen(names[i]) == size && memcmp(word, names[i], size) == 0)
                        return append_text(buf, values[i]);
        if (strncmp(word, "number", size) == 0)
                return buf_appendf(buf, "%" PRIu64, args->number);
        if (strncmp(word, "error", size) == 0)
                return append_error(buf, args->error);
        return buf_appendf(buf, "%s/", args->esp ? args->esp : args->root);
}

int message_format(struct buf *buf, const struct message_form *form,
                   const struct message_args *args) {
        const char *at = form->words;
        int r = 0;

        while (*at && r == 0) {
                size_t plain = strcspn(at, "{"), word;

                r = buf_append(buf, at, plain);
                at += plain;
                if (*at != '{' || r < 0)
                        continue;
                word = strcspn(at + 1, "}");
                r = append_word(buf, at + 1, word, args);
                at += word + 2;
        }
        return r;
}
