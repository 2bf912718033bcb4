"""The room of kopf: the source of AppStack events. No other package imports kopf.

What kopf does for AppStack: it lists and watches AppStacks, takes the signals, and keeps its own life cycle.

What AppStack does for kopf, and the behaviour of kopf 1.45 that makes it necessary:

| module | workaround | behaviour of kopf |
|---|---|---|
| settings | only `on.event`, empty storages, a random finalizer | every other handler writes to the object |
| settings | endless error back-offs | after 54 seconds of errors the process ends |
| source | tasks cancelled and spawned again | a fault that kopf does not know ends all of it |
| source | reconnect back-off for lists and watches | a watch that ends at once is opened again without a pause |
| source | a bound on Retry-After | kopf sleeps for as long as the server says |
| source | heartbeats from the bytes of the watch | bookmarks are not passed to handlers |
| source | lenient JSON for pages and lines | an object that Python's parser rejects ends the watch |
| relist | AppStacks that a relist lacks are marked stale | deletions that happen before a relist are not reported |
| relist | settled AppStacks wait for the end of the list | the events of a list arrive one by one, after it |

Decisions 3 and 19 (docs/decisions) have the measurements. The admission webhook will be served from here as well.
"""
