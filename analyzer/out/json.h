/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json: reports for programs
 *
 * What:  a thin layer over jansson: names from a trace become valid UTF-8, times get a sane precision, and running out
 *        of memory is one flag to look at in the end instead of a check per value.
 * Who:   commands build a struct json_document and write it once.
 * Owner: the document owns every value put into it.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <jansson.h>

/* Values. All accept NULL text as JSON null, and return a new reference (NULL when memory runs out). */
json_t *json_text(const char *text);
json_t *json_bytes(uint64_t n);
json_t *json_seconds(uint64_t ns); /* nanoseconds in, seconds with nine digits out */
json_t *json_number(double v);     /* null when it is no number */

/* Starts a document with its "schema": "pytrace.COMMAND/1". */
json_t *json_document(const char *command);

/* Sets key in `object`; takes over `value`. A NULL value makes the document bad, so that json_write() fails. */
void json_put(json_t *object, const char *key, json_t *value);
void json_add(json_t *array, json_t *value);

/* Writes the document, indented, with a newline, and frees it. False when memory ran out or the write failed. */
bool json_write(json_t *document, FILE *f);
