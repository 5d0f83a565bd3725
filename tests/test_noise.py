"""Random bytes that nobody gets twice."""

from __future__ import annotations

import os
import threading

from monitor.noise import NOISE, Noise


def test_no_bytes_are_handed_out_twice_across_refills_and_threads():
    noise, taken = Noise(), list[bytes]()

    def take() -> None:
        taken.extend([noise.take(10) for _ in range(2_000)])

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {len(some) for some in taken} == {10}
    assert len(set(taken)) == 8_000  # of 80 bits: two alike by chance once in 10¹⁶ runs


def test_any_count_up_to_a_refill_is_given_whole():
    noise = Noise()
    assert [len(noise.take(count)) for count in (4_000, 4_096, 1, 0, 4_096)] == [4_000, 4_096, 1, 0, 4_096]


def test_a_forked_process_hands_out_none_of_what_its_parent_has():
    NOISE.take(8)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, NOISE.take(16))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 16) != NOISE.take(16)
