/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signal: sigaction, signal and masks, because handlers of ours are not to be seen (snapshot/signals.h,
 * watch/disguise.h)
 *
 * They are also a place to notice that the interpreter takes itself down: it puts signals back before it destroys
 * anything, in programs that do nothing else there.
 */
#include "preload/hooks/hook.h"
#include "preload/snapshot/signals.h"
#include "preload/watch/disguise.h"

#include <errno.h>
#include <signal.h>

HOOK int sigaction(int number, const struct sigaction *action, struct sigaction *ret_old)
{
	if (!real.sigaction && !real_start()) {
		errno = ENOSYS; /* while names are being looked up: nobody sets handlers then */
		return -1;
	}
	lifecycle_look_for_fini();
	if (unlikely(disguise_on))
		return disguise_action(number, action, ret_old);
	if (likely(!signals_concern(number)))
		return real.sigaction(number, action, ret_old);
	return signals_action(number, action, ret_old);
}

HOOK __sighandler_t signal(int number, __sighandler_t handler)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART }, old;

	if (!real.signal && !real_start()) {
		errno = ENOSYS;
		return SIG_ERR;
	}
	if (unlikely(disguise_on))
		return disguise_action(number, &action, &old) ? SIG_ERR : old.sa_handler;
	if (likely(!signals_concern(number)))
		return real.signal(number, handler);
	return signals_action(number, &action, &old) ? SIG_ERR : old.sa_handler;
}

HOOK int sigprocmask(int how, const sigset_t *set, sigset_t *ret_old)
{
	if (!real.sigprocmask && !real_start()) {
		errno = ENOSYS;
		return -1;
	}
	return likely(!disguise_on) ? real.sigprocmask(how, set, ret_old)
				    : disguise_mask(real.sigprocmask, how, set, ret_old);
}

HOOK int pthread_sigmask(int how, const sigset_t *set, sigset_t *ret_old)
{
	if (!real.pthread_sigmask && !real_start())
		return ENOSYS;
	return likely(!disguise_on) ? real.pthread_sigmask(how, set, ret_old)
				    : disguise_mask(real.pthread_sigmask, how, set, ret_old);
}
