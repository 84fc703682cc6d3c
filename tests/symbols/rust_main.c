/* SPDX-License-Identifier: Apache-2.0 */
/* rust_main: calls rust.rs, in which nothing knows dladdr() */
unsigned rust_entry(unsigned n);

int main(int argc, char **argv)
{
	(void)argv;
	return rust_entry((unsigned)argc) == 0;
}
