"""Who is in a photograph, where the names of its file and folders say it."""

import collections
import pathlib
import re
import statistics

MODES = ('auto', 'folder', 'none')

_NUMBERED = re.compile(r'(?P<name>.+?)[ _-]+\d+')


def identity_of(file, mode='auto'):
    """The person's name, or '' where it is not known.

    'auto' takes Name_Surname_0001.jpg (several words and a number) as telling Name_Surname, and Name/Name_0001.jpg and
    Name_Surname/anything.jpg as naming the folder; IMG_0001.jpg and holiday/0001.jpg name nobody. 'folder' takes
    whatever folder the file lies in as a person, 'none' nothing. `file` is the path below the folder of photographs, with '/'.
    """
    path = pathlib.PurePosixPath(file)
    folder = path.parent.name
    if mode == 'none':
        return ''
    if mode == 'folder':
        return folder
    numbered = _NUMBERED.fullmatch(path.stem)
    name = numbered['name'] if numbered else ''
    if folder and (name == folder or _is_full_name(folder)):
        return folder
    return name if _is_full_name(name) else ''


def identities_of(files, mode='auto'):
    """{file: the person's name, or ''}, by `identity_of`, and by 'auto' from `folders_of_people` as well."""
    places = {file: tuple(file.split('/')[:-1]) for file in files}
    people = folders_of_people(collections.Counter(places.values())) if mode == 'auto' else ()
    return {file: identity_of(file, mode) or person_of(place, people)[-1] for file, place in places.items()}


def person_of(place, people):
    """The names that lead to the folder in `people` (of `folders_of_people`) that a file in the folders `place` lies in; or ('',)."""
    return next((place[:depth] for depth in range(1, len(place) + 1) if place[:depth] in people), ('',))


def _is_full_name(text):
    """Whether it is several words, the first with a capital letter, and without digits: Luiz_da_Silva."""
    return len(re.findall(r'[^ _]+', text)) > 1 and text[0].isupper() and not re.search(r'\d', text)


MOST_PICTURES = 500
"""Of the median of folders that each hold one person: VGGFace2 has 362 pictures of one on average, FFHQ 1,000 in a folder."""

_PERSON = re.compile(r'\d{3,}|(person|people|subject|subj|identity|id|celeb|actor|user|n|s|m)[ _.-]*\d+', re.IGNORECASE)


def folders_of_people(folders):
    """The folders that are taken to hold one person each: a set of tuples of names.

    Those are neighbours of which most are named as people are (Anna_Smith, person_007, n000001, 0000045), or which are many
    of few pictures: 20 of up to MOST_PICTURES, or 5 of up to 30. What has other folders inside can be a person too.

    Args:
        folders: {tuple of the names that lead to a folder: number of pictures right in it}.
    """
    pictures, inside, people, todo = collections.Counter(), collections.defaultdict(list), set(), [()]
    for folder, count in folders.items():
        for depth in range(1, len(folder) + 1):
            pictures[folder[:depth]] += count
    for folder in sorted(pictures):
        inside[folder[:-1]].append(folder)
    while todo:
        neighbours = inside.get(todo.pop(), [])
        if _are_people([folder[-1] for folder in neighbours], [pictures[folder] for folder in neighbours]):
            people.update(neighbours)
        else:
            todo += neighbours
    return people


def _are_people(names, pictures):
    if len(names) < 2 or statistics.median(pictures) > MOST_PICTURES:
        return False
    named = sum(bool(_is_full_name(name) or _PERSON.fullmatch(name)) for name in names)
    return named >= 0.8 * len(names) or len(names) >= 20 or len(names) >= 5 and statistics.median(pictures) <= 30
