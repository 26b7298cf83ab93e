using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "data", disk = (path = "given by --directory-path", writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);

const main :Workerd.Worker = (
  modules = [(name = "durable_object.mjs", esModule = embed "durable_object.mjs")],
  compatibilityDate = "2026-11-01",
  durableObjectNamespaces = [(className = "Room", uniqueKey = "kontract-bench-room", enableSql = true)],
  durableObjectStorage = (localDisk = "data"),
  bindings = [(name = "ROOM", durableObjectNamespace = "Room")],
);
