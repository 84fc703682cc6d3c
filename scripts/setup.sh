# SPDX-License-Identifier: Apache-2.0
# What scripts/quickstart and scripts/test share: install packages that are missing, configure, build.
# Sourced by a POSIX shell that stands in the top folder. Nothing is installed, and no network is needed, when
# everything is there.

BUILD_PACKAGES='gcc libc6-dev pkg-config meson ninja-build python3 libzstd-dev libxxhash-dev libjansson-dev'
TEST_PACKAGES='libcmocka-dev clang-format'

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

have_command() { command -v "$1" >/dev/null 2>&1; }
have_library() { pkg-config --exists "$1" 2>/dev/null; }

# Whether what a package is wanted for is there, however it came: from the package or from anywhere else.
is_there() {
	case $1 in
	gcc) have_command cc || have_command gcc ;;
	libc6-dev) echo '#include <stdlib.h>' | cc -fsyntax-only -xc - 2>/dev/null ;;
	pkg-config) have_command pkg-config ;;
	meson) have_command meson ;;
	ninja-build) have_command ninja ;;
	python3) have_command python3 ;;
	libzstd-dev) have_library libzstd ;;
	libxxhash-dev) have_library libxxhash ;;
	libjansson-dev) have_library jansson ;;
	libcmocka-dev) have_library cmocka ;;
	clang-format) have_command clang-format ;;
	*) dpkg -s "$1" >/dev/null 2>&1 ;;
	esac
}

missing_packages() {
	for package in "$@"; do
		is_there "$package" || printf '%s ' "$package"
	done
}

# Runs a command quietly; when it fails, shows what it said and stops.
quietly() {
	log=$(mktemp) || die "no temporary file can be made in ${TMPDIR:-/tmp}"
	if ! "$@" >"$log" 2>&1; then
		cat "$log" >&2
		rm -f "$log"
		die "failed: $*"
	fi
	rm -f "$log"
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# install PACKAGE...: those that are missing, by apt.
install() {
	missing=$(missing_packages "$@")
	if [ -z "$missing" ]; then
		say "    everything needed is there"
		return
	fi
	have_command apt-get || die "these Debian packages, or their like, are missing: $missing"
	if [ "$(id -u)" != 0 ] && ! have_command sudo; then
		die "neither root nor sudo; as root, run: apt-get install $missing"
	fi
	say "    installing: $missing"
	quietly as_root apt-get -q update
	# Word splitting is wanted: one argument a package.
	# shellcheck disable=SC2086
	quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $missing
}

# build FOLDER [MESON OPTION...]: configures when that was not done here, and compiles.
build() {
	folder=$1
	shift
	# A folder that was copied along with the tree still points to where it came from.
	if [ -d "$folder" ] && ! grep -qF "\"$PWD\"" "$folder/meson-info/meson-info.json" 2>/dev/null; then
		say "    $folder was configured elsewhere: starting it anew"
		rm -rf "$folder"
	fi
	if [ ! -f "$folder/build.ninja" ]; then
		quietly meson setup "$folder" "$@"
	elif [ $# -gt 0 ]; then
		quietly meson configure "$folder" "$@"
	fi
	quietly ninja -C "$folder"
}
