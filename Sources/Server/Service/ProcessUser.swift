import CLinux
import Glibc

/// Why the process cannot become the user that the configuration names.
struct UserError: Error, CustomStringConvertible {
    let text: String
    let reason: String
    var description: String { "user = \(text): \(reason)" }
}

/// The user of the node: who a process that root started becomes once it has bound its ports.
///
///     root: bind the ports, read the secrets, make the data directory ──become()──▶ NAME: open the store, serve
struct ProcessUser {
    /// `NAME` or `NAME:GROUP`, as the configuration has it.
    let text: String
    let id: uid_t
    let group: gid_t
    private let name: String
    private let namesGroup: Bool

    init(_ text: String) throws(UserError) {
        let parts = text.split(separator: ":").map(String.init)
        self.text = text
        (name, namesGroup) = (parts[0], parts.count == 2)
        // Nobody else asks for users: there is one thread yet.
        guard let user = getpwnam(name) else {
            throw UserError(text: text, reason: "there is no user \(name) on this machine; make it, or take another")
        }
        id = user.pointee.pw_uid
        guard id != 0 else {
            throw UserError(text: text, reason: "it is root; name a user with fewer rights, or leave the key out")
        }
        guard namesGroup else {
            group = user.pointee.pw_gid
            return
        }
        guard let found = getgrnam(parts[1]) else {
            throw UserError(
                text: text, reason: "there is no group \(parts[1]) on this machine; make it, or take another")
        }
        group = found.pointee.gr_gid
    }

    /// Makes the data directory for the user if there is none; one that is there must be the user's. Nothing to do for a
    /// process that is the user already: it makes the directory itself.
    func claim(directory path: String) throws(UserError) {
        guard geteuid() == 0 else { return }
        func failed(_ reason: String) -> UserError { UserError(text: text, reason: "\(path): \(reason)") }
        let isNew = mkdir(path, 0o700) == 0
        guard isNew || errno == EEXIST else { throw failed(String(cString: strerror(errno))) }
        // What was just made is no link; one that leads to a directory elsewhere is judged by where it leads.
        let file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (isNew ? O_NOFOLLOW : 0))
        guard file >= 0 else { throw failed(String(cString: strerror(errno))) }
        defer { close(file) }
        if isNew, fchown(file, id, group) != 0 { throw failed(String(cString: strerror(errno))) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw failed(String(cString: strerror(errno))) }
        guard status.st_uid == id else {
            throw failed(
                "the directory belongs to user \(status.st_uid), not to \(name); `chown -R \(name)` it, or use another")
        }
    }

    /// Gives up root for good. There must be no other thread yet.
    func become() throws(UserError) {
        if geteuid() != 0 {
            guard geteuid() == id, getuid() == id, !namesGroup || getegid() == group else {
                throw UserError(text: text, reason: "only root can become another user; start as root or as \(name)")
            }
            return
        }
        guard initgroups(name, group) == 0, setgid(group) == 0, setuid(id) == 0 else {
            throw UserError(text: text, reason: "cannot become it: \(String(cString: strerror(errno)))")
        }
        guard edge_forbid_new_privileges() == 0 else {
            throw UserError(text: text, reason: "cannot forbid new privileges: \(String(cString: strerror(errno)))")
        }
        let isBack = setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0 && group != 0
        guard !isBack, getuid() == id, geteuid() == id, getgid() == group, getegid() == group else {
            throw UserError(text: text, reason: "root could be regained; the node does not start so")
        }
    }
}

extension Configuration {
    /// The user that `user` names; nil if it names none.
    func processUser() throws(UserError) -> ProcessUser? {
        guard let user else { return nil }
        return try ProcessUser(user)
    }
}
