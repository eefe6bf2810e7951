//! What services say to one another: ids, roles, verified identity, access, events, clients
