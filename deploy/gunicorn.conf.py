# ruff: noqa: INP001  no package, and gunicorn wants the dot in its name
"""gunicorn before uvicorn's workers: ``gunicorn -c gunicorn.conf.py``, in the application's folder.

``pip install gunicorn uvicorn-worker``; migrate first, with ``prefiq run migrate``.
"""

wsgi_app = "prefiq.cli.core.server:app"
worker_class = "uvicorn_worker.UvicornWorker"
bind = "127.0.0.1:8080"
workers = 4

# Each worker opens the application itself: connections are not to be shared across a fork.
preload_app = False
# Longer than REQUEST_TIMEOUT, 30 s unless set: requests that are running at SIGTERM are answered.
graceful_timeout = 45
# A worker that does not come back to its loop for so long is replaced.
timeout = 60
# Heartbeats are files; a disk that is busy must not look like a worker that is.
worker_tmp_dir = "/dev/shm"  # noqa: S108  a path, not a file
# A socket to rule it by would stand in a home, which the user of a service does not have.
control_socket_disable = True
# TRUSTED_PROXIES says whose word on host and scheme counts; nobody puts it in the place of the address.
forwarded_allow_ips = ""
# The application logs requests itself, and everything goes to stderr.
accesslog = None
errorlog = "-"
