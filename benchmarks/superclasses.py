"""ImageNet's thousand classes in about twenty groups, for graphs that a person can read from 1,750 images."""

RANGES = {
    "fish": [(0, 6), (389, 397)],
    "birds": [(7, 24), (80, 100), (127, 146)],
    "frogs and salamanders": [(25, 32)],
    "turtles and lizards": [(33, 51)],
    "snakes": [(52, 68)],
    "spiders": [(69, 79)],
    "sea creatures": [(107, 126), (327, 329)],
    "dogs": [(151, 268)],
    "wolves and foxes": [(269, 280)],
    "cats": [(281, 293)],
    "insects": [(300, 326)],
    "small mammals": [(330, 338), (356, 364)],
    "hoofed animals": [(339, 355)],
    "apes and monkeys": [(365, 384)],
    "food": [(924, 969)],
    "landscapes": [(970, 980)],
}
"""First and last class of each run."""

LISTS = {
    "vehicles": "404 407 408 436 444 468 472 484 511 547 554 555 561 569 573 576 586 609 612 625 627 628 "
    "654 656 661 665 670 671 675 705 717 734 751 757 779 780 803 814 817 820 829 833 847 864 "
    "867 871 874 880 895 914",
    "instruments": "401 402 420 432 486 494 513 541 546 558 566 577 579 593 594 641 642 683 684 687 699 776 "
    "822 875 881 889",
    "buildings": "410 425 437 449 483 497 498 536 538 580 649 660 663 668 672 682 698 718 727 743 762 821 "
    "832 839 853 873 888 900 915",
    "clothes": "399 400 411 433 445 452 457 459 474 501 515 568 578 601 608 610 614 617 638 639 652 655 "
    "667 689 697 735 775 793 796 806 808 824 834 837 841 842 869 887 903 906",
    "furniture": "423 431 453 493 495 516 520 526 532 548 553 559 564 648 703 736 765 831 846 857 894",
    "devices": "487 508 527 528 590 605 620 664 673 681 707 713 732 742 745 759 761 782 848 851",
}
"""Classes that stand in no run."""

NAMES = [*RANGES, *LISTS]


def group_of_class() -> list[int]:
    """Of each of the thousand classes the index into `NAMES`, −1 for those in no group."""
    found = [-1] * 1000
    for group, runs in enumerate(RANGES.values()):
        for first, last in runs:
            found[first : last + 1] = [group] * (last + 1 - first)
    for group, listed in enumerate(LISTS.values(), len(RANGES)):
        for number in listed.split():
            found[int(number)] = group
    return found
