# SPDX-License-Identifier: Apache-2.0
# What scripts/quickstart and scripts/test share: install packages that are missing, configure, build.
# Sourced by a POSIX shell that stands in the top folder. Nothing is installed, and no network is needed, when
# everything is there.

BUILD_PACKAGES='gcc libc6-dev pkg-config meson ninja-build python3 libzstd-dev libxxhash-dev libjansson-dev libdw-dev libiberty-dev libjemalloc-dev'
TEST_PACKAGES='libcmocka-dev clang-format libunwind-dev'
# Without these some tests are skipped, and say so. (The last: CPython's own tests, of whatever version python3 is.)
MORE_TEST_PACKAGES='libpython3-dev gdb strace g++ cython3 python3-cffi pybind11-dev python3-numpy python3-lxml dwz libjemalloc2 libtcmalloc-minimal4 libmimalloc2.0'

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
	libdw-dev) have_library libdw ;;
	libiberty-dev) echo '#include <libiberty/demangle.h>' | cc -fsyntax-only -xc - 2>/dev/null ;;
	libcmocka-dev) have_library cmocka ;;
	libunwind-dev) have_library libunwind ;;
	clang-format | gdb | strace | g++) have_command "$1" ;;
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
	say "    installing: $missing"
	if [ "$(id -u)" != 0 ] && ! { have_command sudo && sudo -v; }; then
		die "neither root nor sudo; as root, run: apt-get install $missing"
	fi
	quietly as_root apt-get -q update
	# Word splitting is wanted: one argument a package.
	# shellcheck disable=SC2086
	quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $missing
}

# install_if_possible PACKAGE...: the same, but goes on without those that can't be had.
install_if_possible() {
	for package in $(missing_packages "$@"); do
		if apt-cache show "$package" >/dev/null 2>&1 && { [ "$(id -u)" = 0 ] || have_command sudo; } &&
			as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$package" \
				>/dev/null 2>&1; then
			say "    installed: $package"
		else
			say "    not to be had: $package; tests that need it will be skipped"
		fi
	done
}

# The package of CPython's own tests for the distribution's python3.
testsuite_package() {
	/usr/bin/python3 -c 'import sys; print("libpython%d.%d-testsuite" % sys.version_info[:2])' 2>/dev/null || true
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
