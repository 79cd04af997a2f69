import Foundation
import Testing

/// A small file system in memory, mounted for a test.
final class SmallFileSystem {
    let directory = TemporaryDirectory()

    /// Whether this process may mount one.
    static let isAllowed = geteuid() == 0 && (try? SmallFileSystem(sizeMiB: 1)) != nil

    init(sizeMiB: Int) throws {
        let options = ["-t", "tmpfs", "-o", "size=\(sizeMiB)m,mode=0700", "tmpfs", directory.path]
        let mount = try run(URL(filePath: "/bin/mount"), options)
        guard mount.status == 0 else { throw ProcessFailure(description: mount.output) }
    }

    deinit { _ = try? run(URL(filePath: "/bin/umount"), ["-l", directory.path]) }

    /// Takes all the room that is left.
    func fill() throws {
        let file = open(directory.path + "/ballast", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        defer { close(file) }
        for chunkBytes in [1 << 20, 4096] {
            let chunk = [UInt8](repeating: 0x55, count: chunkBytes)
            while write(file, chunk, chunk.count) == chunk.count {}
        }
        try #require(errno == ENOSPC)
    }

    func makeRoom() { unlink(directory.path + "/ballast") }
}

/// A disk, or a map, that is really full.
@Suite(.serialized, .timeLimit(.minutes(10))) struct FullDiskTests {
    @Test(.enabled(if: SmallFileSystem.isAllowed, "mounting a small file system needs root and CAP_SYS_ADMIN"))
    func aFullDiskRefusesCreatesAndNothingElse() throws {
        let disk = try SmallFileSystem(sizeMiB: 24)
        var patient = try Patient(disk.directory)
        var node = try patient.start()
        try disk.fill()
        let outcome = Load(name: "full", linksPerConnection: 500, longPercent: 100).run(port: node.port)
        patient.note(outcome)
        #expect(outcome.unanswered.isEmpty)
        #expect(outcome.refused[507] ?? 0 > 0 && outcome.refused.count == 1 && outcome.problems == ["storage-full"])
        try patient.expectRedirects(node)

        // A start on a full disk serves what there is.
        #expect(try node.drain() == 0)
        node = try patient.start()
        try patient.expectRedirects(node)
        let answer = try #require(Client(port: node.port)?.create("{\"long_url\":\"https://example.com/full\"}"))
        Patient.expectStorageFull(answer)

        disk.makeRoom()
        try patient.expectCreatesSoon(node)
        #expect(try node.drain() == 0)
        try patient.expectRecovery()
    }

    @Test func aFullMapRefusesCreatesAndNothingElse() throws {
        var patient = try Patient(mapSize: "16MiB")
        let node = try patient.start()
        let outcome = Load(name: "full", linksPerConnection: 700, longPercent: 100).run(port: node.port)
        patient.note(outcome)
        #expect(outcome.unanswered.isEmpty && outcome.created.count > 700)
        #expect(outcome.refused[507] ?? 0 > 0 && outcome.refused.count == 1 && outcome.problems == ["storage-full"])
        try patient.expectRedirects(node)
        #expect(try node.drain() == 0)

        // A larger map is all that it takes.
        let larger = try EdgeProcess(data: patient.data, ["--map_size", "64MiB"])
        try patient.expectRedirects(larger)
        try patient.expectCreatesSoon(larger)
        #expect(try larger.drain() == 0)
        let verdict = try run(binary, ["verify", "--data", patient.data])
        #expect(verdict.status == 0, "\(verdict.output)")
    }
}
