import Glibc
import Primitives

/// Why `edge cluster` did nothing, or not all.
struct ClusterError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// The directory from which an operator sets up the nodes of a cluster. Whoever has it can make nodes: it belongs on a
/// machine of the operator's own, not on a node.
///
///     cluster.secret, code.secret   for every node
///     ca.pem                        for every node
///     ca.key                        for none
///     REGION-NODE.pem, .key         for that node
struct ClusterDirectory {
    private typealias NewFile = (name: String, bytes: [UInt8], mode: mode_t)
    private static let pemBytes = 64...1 << 16

    let path: String

    /// Makes the directory with what is there before any node.
    func initialise(cluster: String) throws {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw failed("") }
        let authority = CertificateAuthority(cluster: cluster)
        try create([
            ("cluster.secret", Self.secret(), 0o600), ("code.secret", Self.secret(), 0o600),
            ("ca.key", authority.key.pem, 0o600), ("ca.pem", authority.certificate.pem, 0o644),
        ])
    }

    /// A certificate of one node. `renews`: of one that has one, which keeps its key, so that one file alone is exchanged.
    ///
    /// - Returns: whom it names, and when it ends.
    func issue(region: String, node: Int, days: Int, renews: Bool) throws -> (name: String, end: Instant) {
        let authority = try CertificateAuthority(
            certificatePEM: try read("ca.pem", .readers), keyPEM: try read("ca.key", .owner))
        let (certificateName, keyName) = ("\(region)-\(node).pem", "\(region)-\(node).key")
        let key: PrivateKey
        if renews {
            guard let old = PrivateKey(pem: try read(keyName, .owner)) else {
                throw ClusterError(
                    "\(path)/\(keyName): it holds no private key; restore it, or remove it and \(certificateName)")
            }
            key = old
        } else {
            key = PrivateKey()
        }
        let certificate = try authority.issue(region: region, node: node, key: key, days: days)
        let file: NewFile = (certificateName, certificate.pem, 0o644)
        if renews { try replace(file) } else { try create([(keyName, key.pem, 0o600), file]) }
        return (
            Certificate.name(cluster: authority.cluster, region: region, node: node),
            Instant(milliseconds: Int64(certificate.end) * 1000)
        )
    }

    /// 256 bits from the system's generator, which serves cryptography, as text.
    private static func secret() -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        return (0..<64).map { _ in digits[Int.random(in: 0..<16)] } + [0x0A]
    }

    private func read(_ name: String, _ access: SecretFile.Access) throws(SecretFileError) -> [UInt8] {
        try SecretFile.read("\(path)/\(name)", sizes: Self.pemBytes, user: nil, access: access)
    }

    /// All of them or none, where there is none.
    private func create(_ files: [NewFile]) throws(ClusterError) {
        for file in files where access("\(path)/\(file.name)", F_OK) == 0 {
            throw ClusterError("\(path)/\(file.name) is there already, and is not overwritten")
        }
        for (index, file) in files.enumerated() {
            do throws(ClusterError) { try write(file.bytes, to: file.name, mode: file.mode) } catch {
                for made in files[..<index] { unlink("\(path)/\(made.name)") }
                throw error
            }
        }
    }

    /// At once: whoever reads meanwhile has the old one or the new one.
    private func replace(_ file: NewFile) throws(ClusterError) {
        let draft = file.name + ".new"
        unlink("\(path)/\(draft)")
        try write(file.bytes, to: draft, mode: file.mode)
        guard rename("\(path)/\(draft)", "\(path)/\(file.name)") == 0 else {
            let error = failed("/" + file.name)
            unlink("\(path)/\(draft)")
            throw error
        }
    }

    /// A new file with its bytes on the disk; none if it throws.
    private func write(_ bytes: [UInt8], to name: String, mode: mode_t) throws(ClusterError) {
        let descriptor = open("\(path)/\(name)", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw failed("/" + name) }
        defer { close(descriptor) }
        let count = Glibc.write(descriptor, bytes, bytes.count)
        // A disk takes less than it is given only if it is full with that.
        if count >= 0, count < bytes.count { errno = ENOSPC }
        guard count == bytes.count, fchmod(descriptor, mode) == 0, fsync(descriptor) == 0 else {
            let error = failed("/" + name)
            unlink("\(path)/\(name)")
            throw error
        }
    }

    private func failed(_ name: String) -> ClusterError {
        ClusterError("\(path)\(name): \(String(cString: strerror(errno)))")
    }
}

/// `edge cluster`. Returns the exit status.
package func runCluster(_ command: ClusterCommand) -> Int32 {
    let directory = ClusterDirectory(path: command.directory)
    do {
        switch command.action {
        case .initialise(let cluster):
            try directory.initialise(cluster: cluster)
            StandardStream.output.write(
                "\(command.directory): cluster.secret, code.secret, ca.pem and ca.key of the cluster \(cluster)\n")
        case .issue(let region, let node, let days, let renews):
            let made = try directory.issue(region: region, node: node, days: days, renews: renews)
            StandardStream.output.write(
                "\(command.directory)/\(region)-\(node).pem: \(made.name) until \(CalendarTime(made.end).rfc3339)\n")
        }
        return ExitStatus.done
    } catch {
        StandardStream.error.write("edge cluster: \(error)\n")
        return ExitStatus.failed
    }
}
