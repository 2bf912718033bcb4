"""Adapter for kopf, the source of AppStack events. No other package imports kopf.

Duties of kopf: it lists and watches AppStacks, and handles SIGTERM and SIGINT.

Workarounds, and the behaviour of kopf 1.45 that requires each of them:

| module | workaround | behaviour of kopf |
|---|---|---|
| settings | only `on.event`, empty storages, a random finalizer | every other handler writes to the object |
| settings | endless error back-offs | after 54 seconds of errors the process ends |
| source | tasks cancelled and spawned again | kopf exits on any unhandled error |
| source | reconnect back-off for lists and watches | a watch that ends at once is opened again without a pause |
| source | a bound on Retry-After | kopf sleeps for as long as the server says |
| source | heartbeats from the bytes of the watch | bookmarks are not passed to handlers |
| source | lenient JSON for pages and lines | an object that Python's parser rejects ends the watch |
| relist | AppStacks missing from a relist are marked stale | deletions that happen before a relist are not reported |
| relist | AppStacks with a current status wait for the end of the list | a list arrives event by event |

Decisions 3 and 19 (docs/decisions) have the measurements.
"""
