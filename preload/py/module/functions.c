/* SPDX-License-Identifier: Apache-2.0 */
/* functions: those of the module: arguments in, answers out. */
#include "preload/py/module/parts.h"
#include "preload/base/os.h"

#define LATER_NS 1000000 /* between two looks at what is being written */

const struct module_calls *module_calls;

/* Lets others run: the thread that would answer may be waiting for the GIL. */
static void let_others_run(void)
{
	void *tstate = api.PyEval_SaveThread();

	os_sleep_ns(LATER_NS);
	api.PyEval_RestoreThread(tstate);
}

static void *mark(void *module, void *const *given, intptr_t n, void *keywords)
{
	static const char *const names[] = { "label" };
	static const struct api_arguments arguments = { "mark", names, 1, 1 };
	char buf[API_LABEL_BYTES];
	struct piece label;
	void *value;

	(void)module;
	if (!api_arguments(&arguments, given, n, keywords, &value) || !api_label("mark", value, false, buf, &label))
		return NULL;
	module_calls->mark(label);
	return api_return_none();
}

static void *snapshot(void *module, void *const *given, intptr_t n, void *keywords)
{
	static const char *const names[] = { "label" };
	static const struct api_arguments arguments = { "snapshot", names, 1, 0 };
	char buf[API_LABEL_BYTES];
	enum module_answer answer;
	struct piece label;
	uint32_t number;
	void *value;

	(void)module;
	if (!api_arguments(&arguments, given, n, keywords, &value) || !api_label("snapshot", value, true, buf, &label))
		return NULL;
	while ((answer = module_calls->snapshot(label, &number)) == MODULE_LATER)
		let_others_run();
	return answer == MODULE_YES ? api.PyLong_FromUnsignedLongLong(number) : api_return_none();
}

static void *watch(void *module, void *const *given, intptr_t n, void *keywords)
{
	static const char *const names[] = { "object" };
	static const struct api_arguments arguments = { "watch", names, 1, 1 };
	void *object;

	(void)module;
	if (!api_arguments(&arguments, given, n, keywords, &object))
		return NULL;
	return api.PyBool_FromLong(module_calls->watch(object));
}

static void *start(void *module, void *unused)
{
	(void)module;
	(void)unused;
	return api.PyBool_FromLong(module_calls->record(true));
}

static void *stop(void *module, void *unused)
{
	(void)module;
	(void)unused;
	return api.PyBool_FromLong(module_calls->record(false));
}

static void *flush(void *module, void *unused)
{
	(void)module;
	(void)unused;
	while (module_calls->flush() == MODULE_LATER)
		let_others_run();
	return api_return_none();
}

/* ---- stats ---- */

/* Takes the value; NULL: an error is set. */
static bool put(void *dict, const char *key, void *value)
{
	bool ok = value && !api.PyDict_SetItemString(dict, key, value);

	if (value)
		api.Py_DecRef(value);
	return ok;
}

static bool put_number(void *dict, const char *key, uint64_t n)
{
	return put(dict, key, api.PyLong_FromUnsignedLongLong(n));
}

static void *text_or_none(const char *text) { return text ? api.PyUnicode_FromString(text) : api_return_none(); }
static void *path_or_none(const char *path)
{
	return path && *path ? api.PyUnicode_DecodeFSDefault(path) : api_return_none();
}

static void *stats(void *module, void *unused)
{
	struct module_stats s = { 0 };
	void *dict;

	(void)module;
	(void)unused;
	module_calls->stats(&s);
	dict = api.PyDict_New();
	if (dict && put(dict, "mode", api.PyUnicode_FromString(s.mode)) &&
	    put(dict, "recording", api.PyBool_FromLong(s.recording)) &&
	    put(dict, "stopped", api.PyBool_FromLong(s.stopped)) && put(dict, "file", path_or_none(s.file)) &&
	    put_number(dict, "file_bytes", s.file_bytes) && put_number(dict, "events", s.events) &&
	    put_number(dict, "lost", s.lost) && put_number(dict, "snapshots", s.snapshots) &&
	    put_number(dict, "watched", s.watched) && put(dict, "watch_off", text_or_none(s.watch_off)))
		return dict;
	if (dict)
		api.Py_DecRef(dict);
	return NULL;
}

const struct api_method module_methods[] = {
	{ "mark", (void *)mark, API_FAST_WITH_KEYWORDS,
	  "mark($module, label)\n--\n\n"
	  "Set a mark: a label at this moment, in this thread, in the trace." },
	{ "snapshot", (void *)snapshot, API_FAST_WITH_KEYWORDS,
	  "snapshot($module, label=None)\n--\n\n"
	  "Take a snapshot of all Python objects and who refers to whom.\n\n"
	  "A label becomes a mark just before it. Returns the snapshot's number, from 1, or None when\n"
	  "there can be none: PYTRACE_SNAPSHOT=off, during a collection, while the interpreter ends." },
	{ "watch", (void *)watch, API_FAST_WITH_KEYWORDS,
	  "watch($module, object)\n--\n\n"
	  "Record every change of an object's reference count from here on, with its stack.\n\n"
	  "Returns whether it is watched now. A few objects can be at a time; immortal ones can't.\n"
	  "stats()['watch_off'] says why none can be." },
	{ "start", (void *)start, API_NO_ARGUMENTS,
	  "start($module)\n--\n\n"
	  "Record from here on: after stop(), or where PYTRACE_START=0 began without.\n\n"
	  "Returns whether that changed anything. It holds for all threads." },
	{ "stop", (void *)stop, API_NO_ARGUMENTS,
	  "stop($module)\n--\n\n"
	  "Record nothing new from here on, at next to no cost, until start().\n\n"
	  "What was recorded before stays true: releases of it are still noted. Objects are not watched\n"
	  "any more. Returns whether that changed anything. It holds for all threads." },
	{ "flush", (void *)flush, API_NO_ARGUMENTS,
	  "flush($module)\n--\n\n"
	  "Return when what was recorded so far can be read in the file, snapshots included." },
	{ "stats", (void *)stats, API_NO_ARGUMENTS,
	  "stats($module)\n--\n\n"
	  "Return what the tracer knows of itself, as a dict." },
	{ 0 },
};
