#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Install what is missing to build and test.  Does nothing, at once, when all is there.
#
# Tried on Debian 12.  The names for Fedora, Arch and openSUSE are from those
# distributions' package lists and have not been tried.
set -euo pipefail

# Each line: what to look for | Debian | Fedora | Arch | openSUSE.  "-" is: not there, or not needed.
#   cmd:  a program       pc:  a pkg-config module       file:  a path       any of several: a,b
# User-mode Linux is for kernels without vfat only, and packaged by Debian only.
requirements='
cmd:gcc            | gcc             | gcc                 | gcc           | gcc
cmd:cmake          | cmake           | cmake               | cmake         | cmake
cmd:ninja          | ninja-build     | ninja-build         | ninja         | ninja
cmd:pkg-config     | pkg-config      | pkgconf-pkg-config  | pkgconf       | pkgconf-pkg-config
pc:libsystemd      | libsystemd-dev  | systemd-devel       | systemd-libs  | systemd-devel
pc:mount           | libmount-dev    | libmount-devel      | util-linux-libs | libmount-devel
pc:inih            | libinih-dev     | inih-devel          | libinih       | inih-devel
pc:libxxhash       | libxxhash-dev   | xxhash-devel        | xxhash        | xxhash-devel
pc:cmocka          | libcmocka-dev   | libcmocka-devel     | cmocka        | libcmocka-devel
cmd:clang          | clang           | clang               | clang         | clang
cmd:clang-tidy     | clang-tidy      | clang-tools-extra   | clang         | clang-tools
cmd:clang-format   | clang-format    | clang-tools-extra   | clang         | clang-tools
rt:fuzzer          | @clang-rt       | compiler-rt         | compiler-rt   | clang-devel
cmd:cppcheck       | cppcheck        | cppcheck            | cppcheck      | cppcheck
file:/usr/bin/python3 | python3      | python3             | python        | python3
cmd:mandoc         | mandoc          | mandoc              | mandoc        | mandoc
cmd:mkfs.vfat      | dosfstools      | dosfstools          | dosfstools    | dosfstools
cmd:mkfs.ext4      | e2fsprogs       | e2fsprogs           | e2fsprogs     | e2fsprogs
cmd:mcopy          | mtools          | mtools              | mtools        | mtools
cmd:busybox        | busybox-static  | busybox             | busybox       | busybox-static
cmd:rsync          | rsync           | rsync               | rsync         | rsync
cmd:strace         | strace          | strace              | strace        | strace
cmd:dmsetup        | dmsetup         | device-mapper       | device-mapper | device-mapper
cmd:systemd-analyze | systemd        | systemd             | systemd       | systemd
cmd:findfs         | util-linux      | util-linux          | util-linux    | util-linux
cmd:modprobe       | kmod            | kmod                | kmod          | kmod
vfat:              | user-mode-linux | -                   | -             | -
'

say() { printf 'setup: %s\n' "$*" >&2; }

# The package manager, as the number of its column above.
find_manager() {
        local pair
        for pair in apt-get:2 dnf:3 pacman:4 zypper:5; do
                if command -v "${pair%:*}" >/dev/null; then
                        manager=${pair%:*} column=${pair#*:}
                        return
                fi
        done
        manager='' column=2
}

# Whether clang's fuzzing runtime is there; its place differs between distributions.
have_clang_runtime() {
        local directory
        command -v clang >/dev/null || return 1
        directory=$(clang -print-resource-dir)/lib
        compgen -G "$directory/*/libclang_rt.fuzzer*.a" >/dev/null
}

have() {
        case $1 in
        cmd:*)  command -v "${1#*:}" >/dev/null ;;
        pc:*)   command -v pkg-config >/dev/null && pkg-config --exists "${1#*:}" ;;
        file:*) [ -e "${1#*:}" ] ;;
        rt:*)   have_clang_runtime ;;
        vfat:*) grep -qw vfat /proc/filesystems || modprobe -qn vfat 2>/dev/null \
                        || command -v linux.uml >/dev/null ;;
        esac
}

# Debian names the runtime after clang's version, which is known once clang is there.
debian_runtime() {
        local depends
        depends=$(apt-cache depends clang 2>/dev/null) || depends=
        sed -n 's/.*Depends: clang-\([0-9]\+\)$/libclang-rt-\1-dev/p' <<<"$depends" | head -n 1
}

# Print the packages of all that is missing, one per line.
missing_packages() {
        local what package
        while IFS='|' read -r what package; do
                if [ -n "$what" ] && [ "$package" != - ] && ! have "$what"; then
                        printf '%s\n' "$package"
                fi
        done < <(cut -d'|' -f"1,$column" <<<"$requirements" | tr -d ' ') | sort -u
}

install_packages() {
        case $manager in
        apt-get)
                export DEBIAN_FRONTEND=noninteractive
                apt-get update -q
                local names=() name
                for name in "$@"; do
                        [ "$name" = @clang-rt ] && name=$(debian_runtime)
                        [ -n "$name" ] && names+=("$name")
                done
                apt-get install -qy --no-install-recommends "${names[@]}"
                ;;
        dnf)    dnf install -y "$@" ;;
        pacman) pacman -Sy --noconfirm --needed "$@" ;;
        zypper) zypper --non-interactive install "$@" ;;
        *)      say "no apt-get, dnf, pacman or zypper here; please install: $*"; exit 1 ;;
        esac
}

main() {
        local packages
        PATH=$PATH:/usr/sbin:/sbin
        find_manager
        mapfile -t packages < <(missing_packages)
        [ "${#packages[@]}" -gt 0 ] || return 0
        say "missing: ${packages[*]}"
        if [ "$(id -u)" -ne 0 ]; then
                say 'to install them (and to run the system tests), please run this as root'
                exit 1
        fi
        install_packages "${packages[@]}"
        mapfile -t packages < <(missing_packages)
        if [ "${#packages[@]}" -gt 0 ]; then
                say "still missing after the installation: ${packages[*]}"
                exit 1
        fi
}

main
