"""Who is in a photograph, where the names of its file and folders tell it."""

import pathlib
import re

MODES = ('auto', 'folder', 'none')

_NUMBERED = re.compile(r'(?P<name>.+?)[ _-]+\d+')


def identity_of(file, mode='auto'):
    """The person's name, or '' where it is not told.

    'auto' takes Name_Surname_0001.jpg (several words and a number) as telling Name_Surname, and Name/Name_0001.jpg and
    Name_Surname/anything.jpg as telling the folder; IMG_0001.jpg and holiday/0001.jpg tell nobody. 'folder' takes
    whatever folder the file lies in as a person, 'none' nothing.

    Args:
        file: path below the folder of photographs, with '/'.
        mode: one of MODES.
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


def _is_full_name(text):
    """Whether it is several words, the first with a capital letter, and without digits: Luiz_da_Silva."""
    return len(re.findall(r'[^ _]+', text)) > 1 and text[0].isupper() and not re.search(r'\d', text)
