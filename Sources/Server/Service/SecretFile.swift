import Glibc

/// Why a secret's file cannot be used. Never holds anything of the secret.
struct SecretFileError: Error, CustomStringConvertible {
    let path: String
    let reason: String
    var description: String { "\(path): \(reason)" }
}

/// A file with a secret, white space at its ends not counted. It must be its owner's only, and the owner must be root or
/// the user that the process is or becomes.
///
/// A link is followed; what it leads to is judged on the opened descriptor, so that nobody can exchange it in between.
enum SecretFile {
    /// Of `code_secret_file` and `cluster_secret_file`.
    static let secretBytes = 32...4096

    /// Who else than its owner may do what with a file.
    enum Access {
        /// Nothing.
        case owner
        /// Read it: what it holds is known to all, and relied on.
        case readers
    }

    /// - Parameters:
    ///   - sizes: how many bytes the secret may have.
    ///   - user: the user that the process becomes, if it will be another one.
    static func read(
        _ path: String, sizes: ClosedRange<Int>, user: uid_t?, access: Access = .owner
    ) throws(SecretFileError) -> [UInt8] {
        // A pipe without a writer would be waited for.
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { throw SecretFileError(path: path, reason: String(cString: strerror(errno))) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else {
            throw SecretFileError(path: path, reason: String(cString: strerror(errno)))
        }
        if let reason = refusal(status, access, isCredential(path), users: [0, geteuid(), user ?? 0]) {
            throw SecretFileError(path: path, reason: reason)
        }
        var bytes = [UInt8](repeating: 0, count: sizes.upperBound + 1)
        let count = Glibc.read(file, &bytes, bytes.count)
        guard count >= 0 else { throw SecretFileError(path: path, reason: String(cString: strerror(errno))) }
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
        let secret = Array(bytes[..<count].drop(while: isSpace).reversed().drop(while: isSpace).reversed())
        guard sizes.contains(secret.count) else {
            throw SecretFileError(
                path: path,
                reason: "it has \(secret.count) bytes; \(sizes.lowerBound) to \(sizes.upperBound) are right")
        }
        return secret
    }

    private static func refusal(
        _ status: stat, _ access: Access, _ isCredential: Bool, users: Set<uid_t>
    ) -> String? {
        switch access {
        case .owner:
            // The mode of a credential may show the mask of its access list in the group's place (systemd.exec(5)).
            let others: mode_t = isCredential ? 0o037 : 0o077
            if status.st_mode & others != 0 { return "others may read or write it; `chmod 600` it" }
        case .readers: if status.st_mode & 0o022 != 0 { return "others may write it; `chmod 644` it" }
        }
        if !users.contains(status.st_uid) {
            return "it belongs to user \(status.st_uid); `chown` it to root or to the user of the node"
        }
        if status.st_mode & S_IFMT != S_IFREG { return "it is no ordinary file" }
        return nil
    }

    /// Whether systemd made the file for this service alone.
    private static func isCredential(_ path: String) -> Bool {
        guard let directory = getenv("CREDENTIALS_DIRECTORY").flatMap({ String(validatingCString: $0) }),
            directory.hasPrefix("/")
        else { return false }
        return path.hasPrefix(directory + "/") && !path.contains("/../")
    }
}

extension Configuration {
    /// The secret that `code_secret_file` names; nil if it names none.
    func readCodeSecret(user: uid_t?) throws(SecretFileError) -> [UInt8]? {
        guard let path = codeSecretFile else { return nil }
        return try SecretFile.read(path, sizes: SecretFile.secretBytes, user: user)
    }

    /// The secret that `cluster_secret_file` names; nil if it names none.
    func readClusterSecret(user: uid_t?) throws(SecretFileError) -> ClusterSecret? {
        guard let path = clusterSecretFile else { return nil }
        return ClusterSecret(try SecretFile.read(path, sizes: SecretFile.secretBytes, user: user))
    }
}
